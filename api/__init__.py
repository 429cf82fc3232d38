"""Process 3: the HTTP and WebSocket doors.

Will hold the public and the admin application, their routes, the event hub, authentication and
the OpenAPI document. Only this package imports ``aiohttp.web``.
"""
