#include "discovery.h"

#include <dlfcn.h>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <regex>

#include "../include/emogene.h"

namespace fs = std::filesystem;

namespace emogene_library {
namespace {

const char *const kLibraryFolders[] = {"lib", "lib64"};  // Fedora keeps compiled packages in lib64

bool is_file(const fs::path &path) {
  std::error_code failed;
  return fs::is_regular_file(path, failed);
}

bool is_folder(const fs::path &path) {
  std::error_code failed;
  return fs::is_directory(path, failed);
}

// The file this code was loaded from, links followed.
std::string own_path() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void *>(&emogene_abi), &info) == 0 || info.dli_fname == nullptr)
    return "";
  return real_path(info.dli_fname);
}

// "/venv/lib/python3.11/site-packages/emogene/capi/lib/libemogene.so" → "/venv" and "3.11".
bool environment_of(const std::string &file, std::string &root, std::string &version) {
  for (fs::path at = fs::path(file).parent_path(); at.has_relative_path(); at = at.parent_path()) {
    const std::string name = at.filename().string();
    static const std::regex python(R"(python(3\.\d+))");
    std::smatch match;
    if (std::regex_match(name, match, python)) {
      version = match[1];
      root = at.parent_path().parent_path().string();
      return true;
    }
  }
  return false;
}

// The version of the Python in `root` whose packages hold this one.
bool version_in(const fs::path &root, std::string &version) {
  for (const char *folder : kLibraryFolders) {
    std::error_code failed;
    for (const auto &entry : fs::directory_iterator(root / folder, failed)) {
      const std::string name = entry.path().filename().string();
      static const std::regex python(R"(python(3\.\d+))");
      std::smatch match;
      if (!std::regex_match(name, match, python)) continue;
      for (const char *packages : {"site-packages", "dist-packages"})
        if (is_folder(entry.path() / packages / "emogene")) {
          version = match[1];
          return true;
        }
    }
  }
  return false;
}

// What pyvenv.cfg names as the folder of the interpreter the environment was made with; "" if none.
std::string home_of(const fs::path &root) {
  std::ifstream file(root / "pyvenv.cfg");
  static const std::regex entry(R"(\s*home\s*=\s*(.*?)\s*)");
  for (std::string line; std::getline(file, line);) {
    std::smatch match;
    if (std::regex_match(line, match, entry)) return match[1];
  }
  return "";
}

void add_libraries(const fs::path &prefix, const std::string &name,
                   std::vector<std::string> &found) {
  for (const char *folder : kLibraryFolders) {
    found.push_back((prefix / folder / name).string());
    // Debian and its kin: lib/x86_64-linux-gnu, lib/aarch64-linux-gnu.
    std::error_code failed;
    for (const auto &entry : fs::directory_iterator(prefix / folder, failed)) {
      const std::string within = entry.path().filename().string();
      if (within.find("-linux-gnu") != std::string::npos)
        found.push_back((entry.path() / name).string());
    }
  }
}

}  // namespace

std::string real_path(const std::string &path) {
  std::error_code failed;
  std::string found = fs::weakly_canonical(path, failed).string();
  if (failed) found = path;
  while (found.size() > 1 && found.back() == '/') found.pop_back();
  return found;
}

bool find_environment(const std::string &root, Environment &environment, Problem &problem) {
  const char *const remedy =
      "name the environment with emogene_start or EMOGENE_VENV; emogene-config --venv prints it";
  if (root.empty()) {
    const std::string library = own_path();
    if (!environment_of(library, environment.root, environment.version)) {
      problem = {library.empty() ? "libemogene.so" : library,
                 "to lie in an environment's lib/python3.x/site-packages", "another place", remedy};
      return false;
    }
  } else {
    environment.root = root;
    if (!is_folder(root)) {
      problem = {root, "an environment with emogene", "no such folder", remedy};
      return false;
    }
    if (!version_in(root, environment.version)) {
      problem = {root, "an environment with lib/python3.x/site-packages/emogene", "none in it",
                 "install the package there: " + root + "/bin/pip install ."};
      return false;
    }
  }
  fs::path at(environment.root);
  // Debian's own Python keeps what pip installs for all users in /usr/local, itself in /usr.
  if (at == "/usr/local" && !is_file(at / "bin" / "python3")) at = "/usr";
  environment.root = at.string();
  environment.python = (at / "bin" / "python3").string();
  if (!is_file(environment.python)) {
    problem = {environment.python, "the environment's interpreter", "no such file",
               "a moved environment no longer works; make it again where it is to stay"};
    return false;
  }
  const std::string name = "libpython" + environment.version + ".so.1.0";
  if (const std::string home = home_of(at); !home.empty())
    add_libraries(fs::path(home).parent_path(), name, environment.libraries);
  add_libraries(fs::path(real_path(environment.python)).parent_path().parent_path(), name,
                environment.libraries);
  environment.libraries.push_back(name);
  return true;
}

}  // namespace emogene_library
