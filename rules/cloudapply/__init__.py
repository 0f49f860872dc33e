"""A cloud's groups and rules brought to a plan: read -> plan -> act -> read back.

``plan``: what every cloud's driver gives and the way above, any number of times over; ``failure``
and ``refused``: how it ends otherwise.
AWS: ``live``, what EC2 describes; ``converge``, ``wanted`` and ``order``, what of it differs and in
which order that changes without a needed flow being shut in between, all pure; ``api`` speaks to
EC2, by boto3; ``ec2`` drives it.
The others go by their vendor's command: ``vendor`` runs it, ``things`` says what differs and in
which order, pure; ``google``, ``azure`` and ``neutron`` know the words and the JSON of one each.
"""
