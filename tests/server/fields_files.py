"""Fields of uploads, which are forms, and of batches."""

from __future__ import annotations

from server.fields import Elsewhere, Honoured, Refused, Table, shown

BEGINNING = "server/test_batches.py::test_a_batch_from_beginning_to_end"

# Beside a file called file.
FILES: Table = {
    "file": [Elsewhere("server/test_files.py::test_a_file_comes_back_as_it_was")],
    "purpose": [
        shown("purpose", "user_data"),
        Refused("fine-tune", "purpose", "model_not_available", message="Fine-tuning is not available for this model."),
        Refused("nonsense", "purpose", "invalid_value"),
    ],
    "expires_after": [
        Elsewhere("server/test_files.py::test_files_expire"),
        Refused("soon", "expires_after", "invalid_type", {"purpose": "batch"}),
    ],
}

BATCHES: Table = {
    "input_file_id": [
        Elsewhere(BEGINNING),
        Refused("file-unknown", "input_file_id", None, status=404),
    ],
    "endpoint": [Elsewhere(BEGINNING), Refused("/v1/embeddings", "endpoint", "invalid_value")],
    "completion_window": [shown("completion_window", "24h"), Refused("1h", "completion_window", "invalid_value")],
    "metadata": [shown("metadata", {"a": "b"}), Refused({"a": 1}, "metadata.a", "invalid_type")],
    "output_expires_after": [
        Honoured(
            {"anchor": "created_at", "seconds": 3600}, lambda sight: sight.answer["status"] in ("validating", "failed")
        ),
        Elsewhere("server/test_batches.py::test_output_expires"),
        Refused({"anchor": "created_at", "seconds": 1}, "output_expires_after.seconds", "integer_below_min_value"),
    ],
}
