"""What uploads announces. Listeners run after the change is committed, except `upload_created`, which is part of it."""

from django.dispatch import Signal

# Sent inside the transaction that creates an upload, so that what belongs to it is created with it or not at all.
# upload: Upload
upload_created = Signal()
# A part was committed. upload: Upload, with its new offset and state.
part_stored = Signal()
# The last byte is committed. Sent after `part_stored`. upload: Upload
upload_completed = Signal()
# The upload expired or was cancelled; its bytes are gone or going. upload: Upload
upload_removed = Signal()
