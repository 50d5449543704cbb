// Where the environment with the package lies, and the libpython it needs.
#pragma once

#include <string>
#include <vector>

namespace emogene_library {

// An environment that holds the package.
struct Environment {
  std::string root;                    // "/srv/app/.venv"; a system's "/usr/local"
  std::string python;                  // its interpreter; only its path is used
  std::string version;                 // "3.11"
  std::vector<std::string> libraries;  // files that may be its libpython, the likeliest first;
                                       // the last is a bare name for the loader to look up
};

// An absolute path without links, as far as it exists.
std::string real_path(const std::string &path);

// The environment at `root`, or where that is empty the one this library lies in.
//
// Returns whether there is one; else `problem` says what was expected and found.
struct Problem {
  std::string thing, expected, found, remedy;
};
bool find_environment(const std::string &root, Environment &environment, Problem &problem);

}  // namespace emogene_library
