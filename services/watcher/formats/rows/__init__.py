"""Row logs: what the watcher writes of an assistant's database, one state of a row a line. Pure.

{"schema":{"part":"CREATE TABLE part(…)"},"columns":{"part":["id",…]},"session":"ses_1","cwd":"/home/…","format":1}
{"t":"part","k":["prt_1"],"v":["prt_1","msg_1",{"r":"3ff0000000000000"},"{\\"type\\":\\"text\\"…}"]}
{"t":"part","k":["prt_1"],"gone":true}
"""
