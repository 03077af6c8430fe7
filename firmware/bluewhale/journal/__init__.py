"""The truth: every byte received and every change a person makes, in one order, before anyone looks at it.

format, scan      the record's layout, and records out of bytes that may be damaged
segments, compress, manifest   files of a stream, their compression and their chain of hashes
durable, recover, identity     the published end, what a start finds, how a copy is noticed
opening, tail, space           a start of the writer; a stream's growing end; the disk's room
writer, committer              one writer with group commit
server, client, wire, recent   records handed over by other roles, each change once
reader, verify                 reading up to the published end; checking everything
time                           journal time (pure)
"""
