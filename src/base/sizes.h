/* For sizes whose limits no simulated run would reach: beside the one in use stands a small one,
 * with which tests/sim compiles the same sources. What the sizes are is said where they are used.
 */
#pragma once

#ifndef SIZED
#define SIZED(in_use, simulated) (in_use)
#endif
