"""The WebSocket of aiohttp, with nothing set but the size of messages. It offers no compression."""
import asyncio

import aiohttp

import websocket_subscriber


async def read(socket, subscriber):
    for text in subscriber.opened():
        await socket.send_str(text)
    async for message in socket:
        if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            break
        if subscriber.take(message.data):
            await socket.close(code=1000, message=b'that is all')
    return socket.close_code


async def connect(subscriber):
    try:
        async with aiohttp.ClientSession() as session, \
                session.ws_connect(subscriber.url(), max_msg_size=0) as socket:
            return await read(socket, subscriber)
    except aiohttp.ClientError as problem:
        return repr(problem)


websocket_subscriber.follow(lambda subscriber: asyncio.run(connect(subscriber)))
