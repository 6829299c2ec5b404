"""Reading other profilers' files: what they say of a run, as places in images with counts."""

from burnish.record.imports.parsed import Kind, ParsedRun, Place, Sample
from burnish.record.imports.recognise import read_profile_file

__all__ = ["Kind", "ParsedRun", "Place", "Sample", "read_profile_file"]
