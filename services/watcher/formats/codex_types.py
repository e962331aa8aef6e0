"""Types of payloads in Codex rollouts. Pure."""

from __future__ import annotations

CALLS = frozenset(
    {
        "custom_tool_call",
        "function_call",
        "image_generation_call",
        "local_shell_call",
        "tool_call",
        "tool_search_call",
        "web_search_call",
    }
)
RESULTS = frozenset({"custom_tool_call_output", "function_call_output", "tool_result", "tool_search_output"})
QUIET = frozenset(
    {
        "inter_agent_communication_metadata",
        "session_meta",
        "turn_context",
        "world_state",
        "event_msg/account/rateLimits/updated",
        "event_msg/agent_reasoning",
        "event_msg/agent_reasoning_raw_content",
        "event_msg/collab_agent_interaction_end",
        "event_msg/collab_agent_spawn_end",
        "event_msg/collab_close_end",
        "event_msg/collab_waiting_end",
        "event_msg/context_compacted",
        "event_msg/dynamic_tool_call_request",
        "event_msg/dynamic_tool_call_response",
        "event_msg/entered_review_mode",
        "event_msg/exec_command_end",
        "event_msg/exited_review_mode",
        "event_msg/guardian_assessment",
        "event_msg/image_generation_end",
        "event_msg/mcp_tool_call_end",
        "event_msg/patch_apply_end",
        "event_msg/sub_agent_activity",
        "event_msg/task_complete",
        "event_msg/task_started",
        "event_msg/thread_goal_updated",
        "event_msg/thread_name_updated",
        "event_msg/thread_settings_applied",
        "event_msg/token_count",
        "event_msg/undo_completed",
        "event_msg/view_image_tool_call",
        "event_msg/web_search_end",
        "response_item/ghost_snapshot",
    }
)
"""Types that are understood and hold no words of their own: bookkeeping, and second copies of tool calls."""
