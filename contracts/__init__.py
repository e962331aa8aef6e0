"""The facts, their subjects and the streams that hold them: pure data, shared by every service."""
