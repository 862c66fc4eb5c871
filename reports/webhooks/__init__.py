"""Webhooks: a person's programs are told when a job of theirs has completed or failed.

What is promised: a message for each webhook is written in the transaction that ends the job, so none is forgotten. It
is sent until it is answered, or given up after about three days. Each of its tries has the same id, so that a receiver
can drop what it has had. Messages are signed as Standard Webhooks (standardwebhooks.com) says.

What is not: an order among messages.
"""
