/* Preloaded into a daemon: clocks that tell a time which a test has shifted. The file KEEPWARM_CLOCKS holds three
 * numbers of nanoseconds, as int64_t: what is added to CLOCK_BOOTTIME, to CLOCK_REALTIME, and to CLOCK_MONOTONIC.
 * support/clocks.py writes it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t* shifts;
static int (*real_gettime)(clockid_t, struct timespec*);

static int (*real_clockwait)(pthread_cond_t*, pthread_mutex_t*, clockid_t, const struct timespec*);

__attribute__((constructor)) static void begin(void) {
  const char* path = getenv("KEEPWARM_CLOCKS");
  real_gettime = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime");
  real_clockwait = (int (*)(pthread_cond_t*, pthread_mutex_t*, clockid_t, const struct timespec*))dlsym(
      RTLD_NEXT, "pthread_cond_clockwait");
  if (path == NULL) return;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  void* file = mmap(NULL, 3 * sizeof *shifts, PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (file != MAP_FAILED) shifts = file;
}

static void add(struct timespec* time, int64_t shift) {
  const int64_t nanoseconds = time->tv_nsec + shift % 1000000000;
  time->tv_sec += shift / 1000000000 + nanoseconds / 1000000000;
  time->tv_nsec = nanoseconds % 1000000000;
  if (time->tv_nsec < 0) {
    time->tv_nsec += 1000000000;
    --time->tv_sec;
  }
}

/* Waits until a time of the shifted clock; the kernel's is another one. */
int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                           const struct timespec* until) {
  struct timespec end = *until;
  if (shifts != NULL && clock == CLOCK_MONOTONIC) add(&end, -shifts[2]);
  return real_clockwait(condition, mutex, clock, &end);
}

int clock_gettime(clockid_t clock, struct timespec* time) {
  if (real_gettime == NULL) begin(); /* another constructor was first */
  const int result = real_gettime(clock, time);
  if (result != 0 || shifts == NULL) return result;
  int at;
  switch (clock) {
    case CLOCK_BOOTTIME: at = 0; break;
    case CLOCK_REALTIME: at = 1; break;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE: at = 2; break;
    default: return result;
  }
  add(time, shifts[at]);
  return result;
}
