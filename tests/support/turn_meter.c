/* Preloaded into a daemon: how much CPU time its event loop takes for a turn, from the return of one poll of its
 * sockets to the next poll. The file KEEPWARM_TURNS holds two numbers, as uint64_t: the nanoseconds of the longest
 * turn, and how many there were; support/turns.py reads and resets it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t* turns;
static int (*real_wait)(int, struct epoll_event*, int, int);
static int (*real_pwait)(int, struct epoll_event*, int, int, const sigset_t*);
static __thread uint64_t began;

__attribute__((constructor)) static void begin(void) {
  const char* path = getenv("KEEPWARM_TURNS");
  real_pwait = (int (*)(int, struct epoll_event*, int, int, const sigset_t*))dlsym(RTLD_NEXT, "epoll_pwait");
  real_wait = (int (*)(int, struct epoll_event*, int, int))dlsym(RTLD_NEXT, "epoll_wait");
  if (path == NULL) return;
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void* file = mmap(NULL, 2 * sizeof *turns, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (file != MAP_FAILED) turns = file;
}

static uint64_t cpu_time(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void turn_ends(void) {
  if (turns == NULL || began == 0) return;
  const uint64_t took = cpu_time() - began;
  if (took > turns[0]) turns[0] = took;
  ++turns[1];
}

static void turn_begins(void) {
  if (turns != NULL) began = cpu_time();
}

int epoll_pwait(int epoll, struct epoll_event* events, int size, int timeout, const sigset_t* mask) {
  turn_ends();
  const int count = real_pwait(epoll, events, size, timeout, mask);
  turn_begins();
  return count;
}

int epoll_wait(int epoll, struct epoll_event* events, int size, int timeout) {
  const int of_libuv = size <= 1024; /* a larger one is a snapshot, within a turn (core/net/loop.cpp) */
  if (of_libuv) turn_ends();
  const int count = real_wait(epoll, events, size, timeout);
  if (of_libuv) turn_begins();
  return count;
}
