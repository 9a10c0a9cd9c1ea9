"""The removed files of a pulled image: a pull leaves them where they are, `run` may want them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import NotFound

if TYPE_CHECKING:
    from lamina.cli.app import App
    from lamina.store.contract import Image


class NotBrought(NotFound):
    """An image's removed files are not in the store, and nobody gives them."""


def fetch_removed(app: App, image: Image) -> None:
    """Fetch the layer from a repository that the image came from.  Raises NotBrought."""
    from lamina.cli.progress import reporting
    from lamina.cli.registry_options import settings
    from lamina.errors import EngineError
    from lamina.minify.removed import removed_artifact
    from lamina.oci.reference import Reference
    from lamina.registry.connect import connect
    from lamina.store.images import name_of
    from lamina.transfer.bring import bring_layers

    store = app.engine.store
    artifact = removed_artifact(store, image)
    name = name_of(image.row)
    rows = [row for row in store.refs.rows() if row.image_id == image.row.image_id]
    places = list(dict.fromkeys(digest for row in rows for digest in row.repo_digests))
    if not places:
        raise NotBrought(
            f"the removed files of {name} are not in the store, nor is it known where it came from",
            hint=f"lamina pull {name}   (from where it was pushed with them)",
        )
    failures: list[EngineError] = []
    with reporting(app, quiet=False, error=True) as progress:
        for place in places:
            reference = Reference.parse(place, default_tag="")
            progress.note(f"Fetching the removed files of {name} from {reference.familiar_name}")
            try:
                bring_layers(
                    connect(reference, settings(app)),
                    store,
                    artifact,
                    origin=reference.name,
                    progress=progress,
                )
            except EngineError as error:
                failures.append(error)
            else:
                return
    raise NotBrought(
        f"the removed files of {name} cannot be fetched: {failures[-1]}",
        hint=failures[-1].hint or f"lamina pull {name}   (it may have been pushed anew)",
    )
