using System.Globalization;
using System.Runtime.InteropServices;

namespace FastRelay.Host.Commands;

/// <summary>Where figures come from: without it they say nothing to a stranger.</summary>
/// <param name="Cpu">Model.</param>
/// <param name="Cores">That this process may use.</param>
/// <param name="MemoryMiB">Of the machine.</param>
/// <param name="Kernel">Release.</param>
/// <param name="LoadAverage">Of the last minute, at the start: above 0 something else ran.</param>
/// <param name="FileSystem">Of the spool.</param>
/// <param name="Journalled">The file system has a journal: one without flatters appends. Null when not known.</param>
/// <param name="Version">Release of this binary, runtime and OpenSSL.</param>
internal sealed record MachineFacts(
    string Cpu, int Cores, long MemoryMiB, string Kernel, double LoadAverage, string FileSystem, bool? Journalled, string Version)
{
    /// <summary>Looks.</summary>
    /// <param name="folder">Where the spool will be.</param>
    public static MachineFacts Read(string folder)
    {
        string cpu = Field("/proc/cpuinfo", "model name") ?? RuntimeInformation.ProcessArchitecture.ToString();
        string memory = Field("/proc/meminfo", "MemTotal") ?? "0 kB";
        _ = double.TryParse(Text("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture, out double load);
        (string kind, string device) = Mount(folder);
        bool? journalled = kind switch
        {
            "ext4" or "ext3" when device.Length > 0 && device != "root" => Directory.Exists($"/proc/fs/jbd2/{device}-8"),
            "xfs" or "btrfs" or "zfs" or "f2fs" => true,
            "tmpfs" or "ramfs" or "ext2" => false,
            _ => null,
        };
        return new MachineFacts(cpu, Environment.ProcessorCount, long.Parse(memory.Split(' ')[0], CultureInfo.InvariantCulture) / 1024,
            Text("/proc/sys/kernel/osrelease").Trim(), load, kind, journalled, Versions.Text().Replace('\n', ' '));
    }

    /// <summary>Type and device of the file system of a folder: the mount with the longest path above it.</summary>
    private static (string Kind, string Device) Mount(string folder)
    {
        string path = Path.GetFullPath(folder);
        (string Point, string Kind, string Device) best = ("", "unknown", "");
        foreach (string line in Text("/proc/self/mounts").Split('\n'))
        {
            string[] words = line.Split(' ');
            if (words.Length > 2 && words[1].Length >= best.Point.Length && (path == words[1] || path.StartsWith(words[1].TrimEnd('/') + "/", StringComparison.Ordinal)))
            {
                best = (words[1], words[2], words[0]);
            }
        }
        // /dev/mapper and /dev/disk hold links; the kernel's own name is that of the device at their end.
        string device = File.Exists(best.Device) ? File.ResolveLinkTarget(best.Device, returnFinalTarget: true)?.FullName ?? best.Device : best.Device;
        return (best.Kind, Path.GetFileName(device));
    }

    private static string? Field(string file, string name) =>
        Text(file).Split('\n').FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal))?.Split(':')[1].Trim();

    private static string Text(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
