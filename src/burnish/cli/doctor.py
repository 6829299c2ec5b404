"""``burnish doctor``."""

from __future__ import annotations

from burnish.cli.options import JsonOption


def run(json: JsonOption = False) -> int:
    """Say what this machine has and lacks, and what each lack costs.

    Exits 0 if optimize can work here, 2 if it cannot.
    """
    from burnish.pipeline.doctor import doctor
    from burnish.report.doctor import print_diagnosis

    diagnosis = doctor()
    if json:
        print(diagnosis.to_json())
    else:
        print_diagnosis(diagnosis)
    return 0 if diagnosis.usable else 2
