//! How many CPUs this process may use.
//!
//! num_cpus counts logical CPUs with the affinity mask and the process's own control group, but not that group's
//! parents, which can be tighter (a systemd slice, a pod): those are read here. See contract 1.4.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Most workers that the C interface can count.
const MAX: usize = u8::MAX as usize;

/// Logical CPUs: the smaller of the affinity mask and the CPU quota, 1 to 255.
pub(crate) fn logical() -> u8 {
    let affinity = affinity_mask().map_or_else(num_cpus::get, |cpus| cpus.len());
    let allowed = quota().map_or(affinity, |quota| quota.min(affinity));
    clamp(allowed)
}

/// Physical cores among them: 1 to `logical()`.
pub(crate) fn physical() -> u8 {
    let cores = affinity_mask().and_then(|cpus| cores_of(&cpus)).unwrap_or_else(num_cpus::get_physical);
    clamp(cores).min(logical())
}

fn clamp(count: usize) -> u8 {
    u8::try_from(count.clamp(1, MAX)).unwrap_or(u8::MAX)
}

/// The CPUs that the calling thread may run on.
fn affinity_mask() -> Option<Vec<usize>> {
    Affinity::current().map(|affinity| affinity.cpus())
}

/// The CPUs that a thread may run on, as the kernel has them: a bit each, in words of 64.
pub(crate) struct Affinity(Vec<u64>);

impl Affinity {
    /// The calling thread's.
    pub(crate) fn current() -> Option<Self> {
        // The kernel refuses a buffer smaller than its own mask, so the buffer grows until it is accepted.
        [16usize, 128, 1024].into_iter().find_map(|words| {
            let mut mask = vec![0u64; words];
            // SAFETY: the buffer is writable for the length given.
            let written = unsafe { libc::syscall(libc::SYS_sched_getaffinity, 0, words * 8, mask.as_mut_ptr()) };
            (written > 0).then_some(Self(mask))
        })
    }

    /// Gives it to the calling thread, as far as that is permitted.
    pub(crate) fn apply(&self) {
        let Self(mask) = self;
        // SAFETY: the mask is readable for its length.
        unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, size_of_val(mask.as_slice()), mask.as_ptr()) };
    }

    fn cpus(&self) -> Vec<usize> {
        let Self(mask) = self;
        let is_set = |cpu: &usize| mask.get(cpu / 64).is_some_and(|word| word >> (cpu % 64) & 1 == 1);
        (0..mask.len() * 64).filter(is_set).collect()
    }
}

/// Distinct cores of the CPUs, told apart by the list of each core's hardware threads.
fn cores_of(cpus: &[usize]) -> Option<usize> {
    let siblings = |cpu: &usize| {
        std::fs::read_to_string(format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")).ok()
    };
    let cores: Option<HashSet<String>> = cpus.iter().map(siblings).collect();
    cores.map(|cores| cores.len())
}

/// The smallest CPU quota of this process's control groups and their parents, in CPUs, rounded up.
fn quota() -> Option<usize> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    [Version::V2, Version::V1].into_iter().filter_map(|version| smallest(&groups, &mounts, version)).min()
}

#[derive(Clone, Copy)]
enum Version {
    V1,
    V2,
}

fn smallest(groups: &str, mounts: &str, version: Version) -> Option<usize> {
    let group = group_path(groups, version)?;
    let (mount, root) = mount_point(mounts, version)?;
    // In a container the mount shows the hierarchy from `root` on, and group paths may be told from further up.
    let relative = group.strip_prefix(&root).unwrap_or(&group);
    let relative = relative.strip_prefix("/").unwrap_or(relative);
    let mut directory = mount.join(relative);
    let mut found: Option<usize> = None;
    loop {
        if let Some(quota) = read_quota(&directory, version) {
            found = Some(found.map_or(quota, |least| least.min(quota)));
        }
        if directory == mount || !directory.pop() {
            return found;
        }
    }
}

/// From cgroups(7): lines `hierarchy:controllers:path`, version 2 has hierarchy 0 and no controllers.
fn group_path(groups: &str, version: Version) -> Option<PathBuf> {
    groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (hierarchy, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let wanted = match version {
            Version::V1 => controllers.split(',').any(|name| name == "cpu"),
            Version::V2 => hierarchy == "0" && controllers.is_empty(),
        };
        wanted.then(|| PathBuf::from(path))
    })
}

/// From proc_pid_mountinfo(5): `… root mount-point options … - type source super-options`.
fn mount_point(mounts: &str, version: Version) -> Option<(PathBuf, PathBuf)> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, mount) = (left.next()?, left.next()?);
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.nth(1)?);
        let wanted = match version {
            Version::V1 => kind == "cgroup" && options.split(',').any(|name| name == "cpu"),
            Version::V2 => kind == "cgroup2",
        };
        wanted.then(|| (PathBuf::from(mount), PathBuf::from(root)))
    })
}

fn read_quota(directory: &Path, version: Version) -> Option<usize> {
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).ok();
    match version {
        Version::V1 => cpus_of(read("cpu.cfs_quota_us")?.trim(), read("cpu.cfs_period_us")?.trim()),
        Version::V2 => {
            let text = read("cpu.max")?;
            let (quota, period) = text.trim().split_once(' ')?;
            cpus_of(quota, period)
        }
    }
}

/// "max" and -1 mean no quota.
fn cpus_of(quota: &str, period: &str) -> Option<usize> {
    let (quota, period) = (quota.parse::<u64>().ok()?, period.parse::<u64>().ok()?);
    (period > 0).then(|| usize::try_from(quota.div_ceil(period)).unwrap_or(MAX).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_contract_1_4() {
        assert!(logical() >= 1);
        assert!((1..=logical()).contains(&physical()));
        assert_eq!(clamp(0), 1);
        assert_eq!(clamp(1000), 255);
    }

    #[test]
    fn quotas_round_up_contract_1_4() {
        assert_eq!(cpus_of("150000", "100000"), Some(2));
        assert_eq!(cpus_of("100000", "100000"), Some(1));
        assert_eq!(cpus_of("1000", "100000"), Some(1));
        assert_eq!(cpus_of("max", "100000"), None);
        assert_eq!(cpus_of("-1", "100000"), None);
        assert_eq!(cpus_of("1", "0"), None);
    }

    #[test]
    fn the_tightest_parent_counts_contract_1_4() {
        let top = std::env::temp_dir().join(format!("ecewo-cpu-{}", std::process::id()));
        let leaf = top.join("slice/unit");
        std::fs::create_dir_all(&leaf).unwrap();
        std::fs::write(leaf.join("cpu.max"), "max 100000\n").unwrap();
        std::fs::write(top.join("slice/cpu.max"), "250000 100000\n").unwrap();
        std::fs::write(top.join("cpu.max"), "800000 100000\n").unwrap();
        let mounts = format!("29 23 0:26 / {} rw - cgroup2 cgroup2 rw\n", top.display());
        assert_eq!(smallest("0::/slice/unit\n", &mounts, Version::V2), Some(3));
        assert_eq!(smallest("0::/\n", &mounts, Version::V2), Some(8));
        std::fs::remove_dir_all(top).unwrap();
    }

    #[test]
    fn version_one_hierarchies_contract_1_4() {
        let groups = "5:cpu,cpuacct:/docker/abc\n0::/\n";
        assert_eq!(group_path(groups, Version::V1), Some("/docker/abc".into()));
        let mounts = "33 25 0:29 /docker/abc /sys/fs/cgroup/cpu ro,nosuid shared:1 - cgroup cgroup rw,cpu,cpuacct\n";
        let (mount, root) = mount_point(mounts, Version::V1).unwrap();
        assert_eq!((mount, root), ("/sys/fs/cgroup/cpu".into(), "/docker/abc".into()));
    }
}
