# SPDX-License-Identifier: Apache-2.0
"""What the example scripts share: the split, and the files that a test compares inferd's answers with."""
import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent


def split(count, held_out, seed):
    """Row numbers of (training, held-out), shuffled with `seed`."""
    order = np.random.RandomState(seed).permutation(count)
    return order[held_out:], order[:held_out]


def write_rows(path, rows):
    """One row a line, numbers as short as they can be and still read back the same."""
    with open(path, "w", encoding="ascii") as file:
        for row in rows:
            file.write(",".join(np.format_float_positional(x, trim="-") if x.dtype.kind == "f" else str(x)
                                for x in np.asarray(row)))
            file.write("\n")


def write_held_out(name, features, labels, probabilities, producer):
    """examples/NAME/: inputs.csv (one held-out row a line), labels.csv (the truth), expected.csv (the
    exporter's own probabilities) and metrics.json (its accuracy)."""
    folder = HERE / name
    write_rows(folder / "inputs.csv", features)
    write_rows(folder / "labels.csv", labels.reshape(-1, 1))
    write_rows(folder / "expected.csv", probabilities.astype(np.float32))
    accuracy = float((probabilities.argmax(axis=1) == labels).mean())
    metrics = {"rows": len(labels), "accuracy": accuracy, "producer": producer}
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    print(f"{name}: {len(labels)} held-out rows, accuracy {accuracy:.4f}")


def model_path(name):
    path = HERE / "models" / name / "1" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
