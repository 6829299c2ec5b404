"""A listing as text."""

from __future__ import annotations

from burnish.pipeline.show import Listing
from burnish.report.tables import print_line


def print_listing(listing: Listing) -> None:
    """Print what the function is, why it is refused if it is, and its lines."""
    print_line(f"{listing.function} in {listing.path}, {listing.size} bytes at {listing.address:#x}")
    if listing.refused is not None:
        print_line(f"refused: {listing.refused}")
    for line in listing.lines:
        print_line(str(line))
