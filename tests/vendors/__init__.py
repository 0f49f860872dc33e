"""gcloud, az and openstack as far as `nodeprep cloud apply` speaks to them: state in a JSON file.

Each takes the words that the vendor documents and no others, refuses what its cloud refuses in the
cloud's words, and prints the JSON that the vendor prints. ``Lab`` puts one of them into a PATH.
"""
