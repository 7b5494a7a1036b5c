#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <new>

// Under the sanitizers there are no slabs, since they would see neither a use after free nor a race in one.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KEEPWARM_NO_SLABS
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define KEEPWARM_NO_SLABS
#endif
#endif

namespace keepwarm {

/// Whether classes that are Slabbed lie in slabs.
#ifdef KEEPWARM_NO_SLABS
inline constexpr bool kSlabs = false;
#else
inline constexpr bool kSlabs = true;
#endif

/// Memory for objects of one size, of which there are thousands at a time. They lie side by side, not among what else
/// is allocated at the time, so that a burst leaves whole pages behind, which go back to the kernel; and each costs no
/// more than its size. O(1), without a lock: a slab belongs to one thread (SlabOfThread).
///
/// It takes chunks from the kernel, each aligned to its size, so that a chunk is found from the address of any object
/// in it. The chunk with the fewest free places tends to be used first, so that the others run empty. One empty chunk
/// is kept, since the number of objects often goes up and down around what fills a chunk.
class Slab {
 public:
  static constexpr std::size_t kChunkSize = std::size_t{32} * 1024;

  /// Belongs to the calling thread. `object_size`: a multiple of the size of a pointer, to which objects are aligned,
  /// and at most a sixteenth of a chunk.
  explicit Slab(std::size_t object_size) noexcept;
  /// Precondition: all objects were deallocated.
  ~Slab();
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  /// Exceptions: std::bad_alloc.
  [[nodiscard]] void* allocate();
  /// Finds the slab of `object`, which allocate() returned.
  static void deallocate(void* object) noexcept;

  /// How many chunks it holds, the empty one included.
  [[nodiscard]] std::size_t chunks() const noexcept { return chunks_; }
  [[nodiscard]] std::size_t objects() const noexcept { return objects_; }

 private:
  friend class SlabOfThread;
  struct Chunk;

  [[nodiscard]] Chunk* new_chunk();
  static void unmap(Chunk* chunk) noexcept;
  void release(Chunk& chunk, void* object) noexcept;
  void link(Chunk& chunk) noexcept;
  void unlink(Chunk& chunk) noexcept;

  std::uint32_t object_size_;
  std::uint32_t capacity_;        ///< objects in one chunk
  Chunk* partly_used_ = nullptr;  ///< chunks with both objects and free places; the first is the one that was full last
  Chunk* empty_ = nullptr;        ///< kept for the next time
  std::size_t chunks_ = 0;
  std::size_t objects_ = 0;
  const void* thread_;  ///< identifies its thread; nullptr: that has ended, and the slab ends with its last object
};

/// The slab of a thread. Objects that outlive their thread keep its slab until the last of them is gone; whoever
/// destroys those has joined the thread before.
class SlabOfThread {
 public:
  explicit SlabOfThread(std::size_t object_size);
  ~SlabOfThread();
  SlabOfThread(const SlabOfThread&) = delete;
  SlabOfThread& operator=(const SlabOfThread&) = delete;

  [[nodiscard]] Slab& operator*() noexcept { return *slab_; }

  /// For objects of type T. `Kind` gives some of them a slab of their own: those that live and die at other times.
  template <typename T, typename Kind = T>
  [[nodiscard]] static Slab& of() {
    static_assert(alignof(T) == alignof(void*));
    thread_local SlabOfThread slab(sizeof(T));
    return *slab;
  }

 private:
  Slab* slab_;  // its own owner once the thread has ended
};

/// Memory for an object of type T from this thread's slab (of this Kind, see SlabOfThread::of()).
template <typename T, typename Kind = T>
[[nodiscard]] void* allocate_in_slab() {
  if constexpr (!kSlabs) return ::operator new(sizeof(T));
  return SlabOfThread::of<T, Kind>().allocate();
}
/// Frees such memory, on the same thread.
inline void free_in_slab(void* object) noexcept {
  if constexpr (!kSlabs) return ::operator delete(object);
  if (object != nullptr) Slab::deallocate(object);
}

/// Base of a class whose objects `new` makes in slabs. They are to be destroyed by the thread that made them, or when
/// that one has been joined. `T` is the most derived class.
template <typename T>
class Slabbed {
 public:
  static void* operator new([[maybe_unused]] std::size_t size) {
    assert(size == sizeof(T));
    return allocate_in_slab<T>();
  }
  static void operator delete(void* object) noexcept { free_in_slab(object); }

 protected:
  Slabbed() noexcept = default;
  ~Slabbed() = default;
};

}  // namespace keepwarm
