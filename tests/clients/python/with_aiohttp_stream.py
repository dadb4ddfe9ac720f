"""An event stream as a streaming response of aiohttp."""
import asyncio

import aiohttp

import event_stream
import report


async def read(response, subscriber):
    if response.status == 200:
        report.say(open=True)
        async for received in response.content.iter_any():
            if subscriber.feed(received):
                break
    return response.status


async def connect(subscriber):
    timeout = aiohttp.ClientTimeout(total=None)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, \
                session.get(report.URL, headers=subscriber.fields()) as response:
            return await read(response, subscriber)
    except aiohttp.ClientError as problem:
        return repr(problem)


event_stream.follow(lambda subscriber: asyncio.run(connect(subscriber)))
