"""Security groups of AWS brought to a plan by the EC2 API: read -> plan -> act -> read back.

``live``: what EC2 describes. ``converge``: what of it differs from the rules that are wanted, and
in which order that changes without a needed flow being shut in between. Both are pure. ``api``
speaks to EC2, by boto3; ``run`` goes the way above, and any number of times over.
"""
