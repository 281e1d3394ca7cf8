"""What must not run twice at once stays on one xdist worker."""

import pytest


@pytest.mark.xdist_group("together")
def test_a_test_in_a_group_is_sent_where_its_group_goes(request: pytest.FixtureRequest) -> None:
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("only with --dist loadgroup")
    # The scheduler sees no more of a test than this.
    assert request.node.nodeid.endswith("@together")
