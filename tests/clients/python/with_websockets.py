"""The package websockets. It offers permessage-deflate."""
import asyncio

import websockets

import websocket_subscriber


async def connect(subscriber):
    try:
        async with websockets.connect(subscriber.url(), max_size=None) as socket:
            for text in subscriber.opened():
                await socket.send(text)
            async for message in socket:
                if subscriber.take(message):
                    await socket.close(1000, 'that is all')
            return socket.close_code
    except websockets.ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 'cut'
    except (OSError, websockets.InvalidHandshake) as problem:
        return repr(problem)


websocket_subscriber.follow(lambda subscriber: asyncio.run(connect(subscriber)))
