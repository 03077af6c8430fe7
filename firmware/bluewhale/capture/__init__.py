"""Bytes in, records unread. One task a feed; each retries for ever and never disturbs its neighbours.

`urls` says what a feed's URL means, `running` what all feeds share, and one module a kind does the work:
`serial_line`, `listen` and `connect` (both over `tcp`), `folder`, `replay`. `feeds` starts and stops them as the settings
say. `tally` is how far each source's bytes are in the journal, which is where every feed goes on after a restart.
"""
