"""Tests. A package, because a dependency installs one of this name too."""
