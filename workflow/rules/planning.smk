# Planning a large study makes millions of small objects that live until its end. Python looks for
# unreachable ones among them again and again, though there are hardly any.

import gc

gc.freeze()
gc.set_threshold(100_000, 50, 1000)
