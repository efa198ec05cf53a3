// Files that are replaced as a whole: whoever is killed, whatever else is written at the same time.
#include "octavo/io/atomic_file.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "temporary_folder.hpp"

namespace octavo::test {
namespace {

void write(atomic_file& file, std::string_view content) { file.write(std::as_bytes(std::span(content))); }

void save(const std::filesystem::path& path, std::string_view content) {
  atomic_file file(path);
  write(file, content);
  file.commit();
}

/// Starts a process that runs `action` and ends; its number.
template <class Action>
pid_t start(const Action& action) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    action();
    ::_exit(0);
  }
  return child;
}

/// Waits for it; true when it was killed.
bool was_killed(pid_t child) {
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status);
}

unsigned mode_of(const std::filesystem::path& path) {
  return static_cast<unsigned>(std::filesystem::status(path).permissions());
}

}  // namespace

TEST_CASE("atomic file: the old content until commit, then the new") {
  const temporary_folder folder;
  const auto path = folder.write("x", "old");
  {
    atomic_file file(path);
    write(file, "lost");
    CHECK(read_all(path) == "old");
  }
  CHECK(read_all(path) == "old");
  CHECK(folder.entries() == 1);
  atomic_file file(path);
  write(file, "new");
  CHECK(read_all(path) == "old");
  file.commit();
  CHECK(read_all(path) == "new");
  CHECK(folder.entries() == 1);
  check_failure(failure_of([&] { file.commit(); }), path.string(), "committed twice");
  check_failure(failure_of([&] { file.write({}); }), path.string(), "after its commit");
}

TEST_CASE("atomic file: what killed processes leave does not pile up") {
  const temporary_folder folder;
  const auto path = folder.write("x", "old");
  for (int i = 0; i < 20; ++i) {
    REQUIRE(was_killed(start([&] {
      atomic_file file(path);
      write(file, std::string(100'000, 'x'));
      ::raise(SIGKILL);
    })));
    CHECK(read_all(path) == "old");
    CHECK(folder.entries() == 2);
  }
  save(path, "new");
  CHECK(read_all(path) == "new");
  CHECK(folder.entries() == 1);
}

TEST_CASE("atomic file: killed at any moment") {
  const temporary_folder folder;
  const auto path = folder / "x";
  const std::string a(200'000, 'a'), b(200'000, 'b');
  save(path, a);
  for (int i = 0; i < 60; ++i) {
    const pid_t child = start([&] {
      for (;;) {
        save(path, b);
        save(path, a);
      }
    });
    std::this_thread::sleep_for(std::chrono::microseconds(300 * i));
    REQUIRE(::kill(child, SIGKILL) == 0);
    REQUIRE(was_killed(child));
    const std::string content = read_all(path);
    CHECK((content == a || content == b));
    CHECK(folder.entries() <= 2);
  }
  save(path, b);
  CHECK(folder.entries() == 1);
}

TEST_CASE("atomic file: several writers of one name") {
  const temporary_folder folder;
  const auto path = folder / "x";
  {
    atomic_file first(path), second(path);
    write(first, "first");
    write(second, "second");
    second.commit();
    CHECK(read_all(path) == "second");
    first.commit();
    CHECK(read_all(path) == "first");
  }
  CHECK(folder.entries() == 1);

  // Four threads in each of two processes, each of which also gives up a file at every turn.
  const auto write_all = [&] {
    std::vector<std::thread> threads;
    std::atomic<int> failures = 0;
    for (char c = 'a'; c < 'e'; ++c)
      threads.emplace_back([&, c] {
        try {
          for (int i = 0; i < 50; ++i) {
            atomic_file given_up(path);
            write(given_up, "given up");
            save(path, std::string(50'000, c));
          }
        } catch (const error&) {
          ++failures;
        }
      });
    for (std::thread& t : threads) t.join();
    return failures.load();
  };
  const pid_t child = start([&] {
    if (write_all() != 0) ::raise(SIGKILL);
  });
  CHECK(write_all() == 0);
  CHECK(!was_killed(child));
  const std::string content = read_all(path);
  CHECK(content == std::string(50'000, content.at(0)));
  CHECK(folder.entries() == 1);
}

TEST_CASE("atomic file: a symbolic link stays, and its target changes") {
  const temporary_folder folder;
  std::filesystem::create_directory(folder / "elsewhere");
  folder.write("elsewhere/target", "old");
  std::filesystem::create_symlink("elsewhere/target", folder / "link");
  std::filesystem::create_symlink(folder / "link", folder / "absolute");
  std::filesystem::create_symlink("elsewhere/new", folder / "dangling");
  std::filesystem::create_symlink("loop", folder / "loop");
  for (const char* name : {"link", "absolute"}) {
    save(folder / name, name);
    CHECK(std::filesystem::is_symlink(folder / name));
    CHECK(read_all(folder / "elsewhere/target") == name);
  }
  save(folder / "dangling", "made");
  CHECK(std::filesystem::is_symlink(folder / "dangling"));
  CHECK(read_all(folder / "elsewhere/new") == "made");
  check_failure(failure_of([&] { save(folder / "loop", "x"); }), "loop", "too many symbolic links");
  CHECK(std::filesystem::is_symlink(folder / "loop"));
  CHECK(folder.entries() == 5);
}

TEST_CASE("atomic file: permissions stay") {
  const temporary_folder folder;
  const auto path = folder.write("x", "old");
  for (const unsigned mode : {0600u, 0640u, 0444u, 0755u}) {
    std::filesystem::permissions(path, static_cast<std::filesystem::perms>(mode));
    atomic_file file(path);
    CHECK(mode_of(folder / "x.octavo_partial_0") == 0600);  // nobody else reads it before
    file.commit();
    CHECK(mode_of(path) == mode);
  }
  const mode_t before = ::umask(027);
  save(folder / "new", "x");
  ::umask(before);
  CHECK(mode_of(folder / "new") == 0640);
}

TEST_CASE("atomic file: what is no file is not replaced") {
  const temporary_folder folder;
  std::filesystem::create_directory(folder / "folder");
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  std::filesystem::create_symlink("pipe", folder / "link");
  for (const char* name : {"folder", "pipe", "link"})
    check_failure(failure_of([&] { save(folder / name, "x"); }), (folder / name).string(), "not a regular file");
  CHECK(std::filesystem::is_fifo(folder / "pipe"));
  check_failure(failure_of([&] { save(folder / "no/folder", "x"); }), "no/folder", "cannot create", "No such file");
  CHECK(folder.entries() == 3);
}

}  // namespace octavo::test
