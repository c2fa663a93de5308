from . import energy_quota_request, tier_definition, tier_review
