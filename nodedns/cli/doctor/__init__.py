"""What ``nodedns doctor`` is made of: gathering facts, and judging them.

``examine`` gathers, with sockets, files and threads; ``facts`` is what it comes back with; ``judge`` and the
``judging_*`` files make findings of facts and do nothing else; ``finding`` writes findings down.
"""
