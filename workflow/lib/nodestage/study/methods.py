"""The methods that a study compares: the config's, each with what its class declares."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nodestage.methods import registry
from nodestage.methods.registry import Declaration


@dataclass(frozen=True)
class Methods:
    """The methods that are on.

    Attributes
    ----------
    config : {method: its entry in the config, None where it is switched off}
    primary : the method of the declared endpoint
    """

    config: dict[str, dict[str, Any] | None]
    primary: str

    @cached_property
    def families(self) -> dict[str, dict[str, Declaration]]:
        """{family: {method: Declaration}}; one job per fold fits the methods of a family."""
        families: dict[str, dict[str, Declaration]] = {}
        for name, entry in self.config.items():
            if entry is not None:
                method = registry.declared(name, entry)
                families.setdefault(method.family, {})[name] = method
        return families

    @cached_property
    def declared(self) -> dict[str, Declaration]:
        """{method: Declaration}, by family: the order of every table."""
        return {name: m for methods in self.families.values() for name, m in methods.items()}

    @property
    def names(self) -> list[str]:
        """Ids of the methods, in the order of the tables."""
        return list(self.declared)

    @property
    def entries(self) -> dict[str, dict[str, Any]]:
        """{method: its entry in the config}, in the order of `names`."""
        return {name: entry for name in self.names if (entry := self.config[name]) is not None}

    @property
    def user_files(self) -> dict[str, str]:
        """{method: file} of the methods that a user added."""
        return {name: entry["file"] for name, entry in self.entries.items() if "file" in entry}

    # A family's jobs

    def fitted(self, family: str) -> dict[str, dict[str, Any]]:
        """{method: its `settings`, and its `file` where a user added it}: what a fit depends on."""
        entries = {name: self.entries[name] for name in self.families[family]}
        return {
            name: {key: entry[key] for key in ("file", "settings") if key in entry}
            for name, entry in entries.items()
        }

    def sources(self, family: str) -> list[Path]:
        """Files in which the methods of a family are written."""
        return [method.file for method in self.families[family].values()]

    def needs(self, family: str) -> set[str]:
        """What the methods of a family read of a patient: views, radiomics, nodes, scores, stages."""
        return {need for method in self.families[family].values() for need in method.needs}

    def read_families(self, family: str) -> list[str]:
        """Families of the methods whose scores a family reads, in the order of `families`."""
        wanted = {name for method in self.families[family].values() for name in method.of}
        return [other for other, methods in self.families.items() if wanted & set(methods)]

    @property
    def shipped_families(self) -> list[str]:
        """Families with only built-in methods."""
        added = set(self.user_files)
        return [family for family, methods in self.families.items() if not added & set(methods)]

    # Scores and calls

    @property
    def calls(self) -> dict[str, dict[str, bool]]:
        """{method: {threshold, nonnegative}}: how its score becomes a call."""
        return {
            name: {"threshold": method.threshold, "nonnegative": method.nonnegative}
            for name, method in self.declared.items()
        }

    @property
    def explained(self) -> Declaration | None:
        """The method whose network the gallery explains; None where no such network is on.

        That of the declared endpoint; else the one that reads most of a patient, of equals the
        first of the family `fusion`.
        """
        candidates = [method for method in self.declared.values() if method.explained]
        for method in candidates:
            if method.name == self.primary:
                return method
        return max(
            candidates,
            key=lambda method: (len(method.needs), method.family == "fusion"),
            default=None,
        )
