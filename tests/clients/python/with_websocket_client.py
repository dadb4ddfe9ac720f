"""The package websocket-client, as its WebSocketApp."""
import websocket

import websocket_subscriber


def connect(subscriber):
    codes = ['cut']

    def on_open(app):
        for text in subscriber.opened():
            app.send(text)

    def on_message(app, message):
        if subscriber.take(message):
            codes.append(1000)  # it leaves without waiting for the answer
            app.close(status=1000, reason=b'that is all')

    def on_close(_, code, __):
        codes.append(code or codes[-1])

    def on_error(_, problem):
        codes.append(repr(problem))

    websocket.WebSocketApp(subscriber.url(), on_open=on_open, on_message=on_message,
                           on_close=on_close, on_error=on_error).run_forever()
    return codes[-1]


websocket_subscriber.follow(connect)
