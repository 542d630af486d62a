//! The free memory of a Linux control group: the tightest limit of the process's own group and of its ancestors. The file
//! cache counts as free, since the system gives it back when needed.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// The files of one cgroup version.
struct Hierarchy {
    /// Directory below the mount point of all groups.
    mount: &'static str,
    limit: &'static str,
    usage: &'static str,
    /// Keys of the file cache in `memory.stat`.
    cached: [&'static str; 2],
}

const V2: Hierarchy =
    Hierarchy { mount: "", limit: "memory.max", usage: "memory.current", cached: ["inactive_file", "active_file"] };

const V1: Hierarchy = Hierarchy {
    mount: "memory",
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    cached: ["total_inactive_file", "total_active_file"],
};

/// Free bytes in this process's groups; `None` if none of them has a limit.
pub(super) fn free() -> Option<u64> {
    free_below(Path::new("/sys/fs/cgroup"), &fs::read_to_string("/proc/self/cgroup").unwrap_or_default())
}

/// Free bytes in groups mounted at `root`. `membership` names them, one line `number:controllers:path` each.
fn free_below(root: &Path, membership: &str) -> Option<u64> {
    let groups = membership.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        match (parts.next()?, parts.next()?) {
            ("", path) => Some((V2, path)),
            (controllers, path) => controllers.split(',').any(|name| name == "memory").then_some((V1, path)),
        }
    });
    groups.filter_map(|(hierarchy, path)| hierarchy.free(root, path)).min()
}

impl Hierarchy {
    /// Free bytes in the group at `path` and its ancestors, the least. A container may not see the outer groups: then its
    /// own group is mounted.
    fn free(&self, root: &Path, path: &str) -> Option<u64> {
        let mount = root.join(self.mount);
        let inside = Path::new(path).components().filter(|part| matches!(part, Component::Normal(_)));
        let group = mount.join(inside.collect::<PathBuf>());
        group.ancestors().take_while(|group| group.starts_with(&mount)).filter_map(|group| self.left(group)).min()
    }

    /// Free bytes in one group, if it has a limit.
    fn left(&self, group: &Path) -> Option<u64> {
        let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
        let (limit, used) = number(self.limit).zip(number(self.usage))?;
        let statistics = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
        let cached = statistics.lines().filter_map(|line| line.split_once(' '));
        let cached = cached.filter(|(name, _)| self.cached.contains(name));
        let cached: u64 = cached.filter_map(|(_, bytes)| bytes.parse::<u64>().ok()).sum();
        Some(limit.saturating_sub(used.saturating_sub(cached)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups: the path of each, its limit, use and cached files.
    fn groups(hierarchy: &Hierarchy, groups: &[(&str, &str, u64, u64)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, limit, usage, cached) in groups {
            let group = root.path().join(hierarchy.mount).join(path);
            fs::create_dir_all(&group).unwrap();
            fs::write(group.join(hierarchy.limit), format!("{limit}\n")).unwrap();
            fs::write(group.join(hierarchy.usage), format!("{usage}\n")).unwrap();
            let (inactive, active) = (cached / 3, cached - cached / 3);
            let of_version = |total: &str| format!("{total}inactive_file {inactive}\n{total}active_file {active}\n");
            let statistics = format!("anon 7\n{}{}", of_version(""), of_version("total_"));
            fs::write(group.join("memory.stat"), statistics).unwrap();
        }
        root
    }

    #[test]
    fn cached_files_are_free() {
        let root = groups(&V2, &[("", "1000", 900, 700)]);
        assert_eq!(free_below(root.path(), "0::/\n"), Some(800));
    }

    #[test]
    fn the_tightest_of_nested_groups_counts() {
        let nested = [
            ("", "max", 5000, 0),
            ("user.slice", "3000", 2900, 0),
            ("user.slice/run.scope", "1000", 300, 0),
            ("other.slice", "10", 10, 0),
        ];
        let root = groups(&V2, &nested);
        assert_eq!(free_below(root.path(), "0::/user.slice/run.scope\n"), Some(100));
        assert_eq!(free_below(root.path(), "0::/user.slice\n"), Some(100));
        assert_eq!(free_below(root.path(), "0::/\n"), None, "max is no limit");
        let root = groups(&V2, &nested[2..]);
        assert_eq!(free_below(root.path(), "0::/user.slice/run.scope\n"), Some(700));
    }

    #[test]
    fn a_group_whose_path_is_not_seen_is_the_one_that_is_mounted() {
        let root = groups(&V2, &[("", "1000", 400, 0)]);
        assert_eq!(free_below(root.path(), "0::/docker/abc\n"), Some(600));
        assert_eq!(free_below(root.path(), "0::/../../abc\n"), Some(600));
    }

    #[test]
    fn the_first_version_is_read_as_well() {
        let root = groups(&V1, &[("", "9223372036854771712", 5000, 0), ("a/b", "2000", 1500, 100)]);
        let membership = "12:cpu,cpuacct:/x\n5:memory:/a/b\n1:name=systemd:/y\n0::/z\n";
        assert_eq!(free_below(root.path(), membership), Some(600));
        assert_eq!(free_below(root.path(), "no such line"), None);
    }
}
