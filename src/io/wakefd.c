/* Counts in the kernel: nothing else is kept. */
#include "io/wakefd.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int wakefd_open(void)
{
    const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

void wakefd_close(int fd)
{
    close(fd);
}

/* Fails only when it was rung 2^64 - 2 times, and then it is readable. */
void wakefd_ring(int fd)
{
    (void)!eventfd_write(fd, 1);
}

uint64_t wakefd_take(int fd)
{
    eventfd_t count;
    return eventfd_read(fd, &count) == 0 ? count : 0;
}
