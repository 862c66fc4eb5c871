"""What uploads announces. Listeners run after the change is committed, except those of `upload_created` and
`upload_removing`, which are part of it."""

from django.dispatch import Signal

# Sent inside the transaction that creates an upload, so that what belongs to it is created with it or not at all.
# upload: Upload
upload_created = Signal()
# Asked inside the transaction that removes a file, whose row is held. Who still reads its bytes raises a `Refusal`; who
# has rows that name it, and outlast its bytes, answers True. upload: Upload
upload_removing = Signal()
# A part was committed. upload: Upload, with its new offset and state.
part_stored = Signal()
# The last byte is committed. Sent after `part_stored`. upload: Upload
upload_completed = Signal()
# The upload expired or was cancelled; its bytes are gone or going. upload: Upload
upload_removed = Signal()
