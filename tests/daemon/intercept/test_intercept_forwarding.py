"""What is forwarded of a message, and what is refused: the tests of framing/, by clients that are intercepted."""

from helpers_intercepted_wire import _wire_origins, http_origin, keepwarm, origin, wire, wire_ca  # noqa: F401
from test_forwarding_fields import *  # noqa: F403
from test_forwarding_http10 import *  # noqa: F403
from test_forwarding_methods import *  # noqa: F403
from test_framing_bodies import *  # noqa: F403
from test_framing_bodiless import *  # noqa: F403
from test_framing_cut import *  # noqa: F403
from test_framing_early import *  # noqa: F403
from test_framing_early_close import *  # noqa: F403
from test_framing_interim import *  # noqa: F403
from test_framing_splits import *  # noqa: F403
from test_framing_strict_requests import *  # noqa: F403
from test_framing_strict_responses import *  # noqa: F403
from test_framing_surplus import *  # noqa: F403
from test_framing_trailers import *  # noqa: F403

# The server is reached when CONNECT is answered: a connection that then ends is no fresh one, and the request is sent again.
del test_a_fresh_connection_that_closes_without_an_answer_is_502_and_not_tried_again  # noqa: F821
# Inside, that is about the server.
del test_options_asterisk_is_about_the_proxy_and_goes_nowhere  # noqa: F821
