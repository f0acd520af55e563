# SPDX-License-Identifier: Apache-2.0
"""The peer of `./dev bench http`: what a team would write in an afternoon. FastAPI on uvicorn with ONNX Runtime
on one thread, answering OIP-shaped JSON and raw float32 bytes. Run: peer_server.py MODEL PORT."""
import sys

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, Request, Response

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
input_name = session.get_inputs()[0].name
output_name = session.get_outputs()[0].name
app = FastAPI()


@app.post("/infer")
async def infer(request: Request):
    tensor = (await request.json())["inputs"][0]
    x = np.asarray(tensor["data"], dtype=np.float32).reshape(tensor["shape"])
    y = session.run(None, {input_name: x})[0]
    return {"outputs": [{"name": output_name, "shape": list(y.shape), "datatype": "FP32",
                         "data": y.ravel().tolist()}]}


@app.post("/binary")
async def binary(request: Request):
    x = np.frombuffer(await request.body(), dtype=np.float32).reshape(1, -1)
    return Response(session.run(None, {input_name: x})[0].tobytes(), media_type="application/octet-stream")


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error", access_log=False)
