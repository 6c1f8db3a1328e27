"""LiteLLM's router, driven line by line: ``/path/to/venv/bin/python _peer_litellm.py URL``.

It prints ``ready``; for each line with a count and a concurrency, one line of JSON: times in ns and
processor seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from _gateway_load import MESSAGES, MODEL, closed


async def main() -> None:
    import litellm

    litellm.suppress_debug_info = True
    parameters = {"model": f"openai/{MODEL}", "api_base": sys.argv[1] + "/v1", "api_key": "k"}
    router = litellm.Router(
        model_list=[{"model_name": "m", "litellm_params": parameters}], num_retries=0
    )

    async def call() -> None:
        await router.acompletion("m", MESSAGES)

    await closed(call, 50)
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        count, concurrency = map(int, line.split())
        began_s = time.process_time()
        taken = await closed(call, count, concurrency)
        cpu_s = time.process_time() - began_s
        print(json.dumps({"taken_ns": taken, "cpu_s": cpu_s}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
