/* What scripts are told when the program ends. Words for people go to standard error. */
#pragma once

enum exit_status {
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_USAGE,
    EXIT_MISSED, /* done, but messages were missed */
};
