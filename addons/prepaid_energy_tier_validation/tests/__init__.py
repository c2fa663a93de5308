from . import test_quota_tiers
