using System.Runtime.InteropServices;

namespace FastRelay.EndToEnd.Rig;

/// <summary>
/// An ext4 file system of its own on a loop device, whose power can be cut: the file system stops at once, without
/// writing its log, and what was not synced is gone. Its file is written whole before, so that nothing below is sparse.
/// </summary>
public sealed partial class LoopDisk : IDisposable
{
    private const int NoLogFlush = 2;
    private const ulong Ext4Shutdown = 0x8004587d;
    private readonly string _image;
    private readonly string _device = "";

    public LoopDisk(int mebibytes = 256)
    {
        Folder = Place.NewFolder("loop");
        _image = Folder + ".img";
        byte[] block = new byte[1 << 20];
        using (FileStream image = File.Create(_image))
        {
            for (int i = 0; i < mebibytes; i++)
            {
                image.Write(block);
            }
            image.Flush(flushToDisk: true);
        }
        try
        {
            Tool.Run("mkfs.ext4", ["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", _image]).Ok();
            _device = Tool.Run("losetup", ["-f", "--show", _image]).Ok().Output.Trim();
            Mount();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Why no such disk can be made here; empty when it can.</summary>
    public static string Missing { get; } = WhyNot();

    /// <summary>Where it is mounted.</summary>
    public string Folder { get; }

    /// <summary>The power goes. Whoever has files open gets errors from now on.</summary>
    public void CutPower()
    {
        int folder = Open(Folder, 0);
        Assert.True(folder >= 0, $"cannot open {Folder}");
        uint flags = NoLogFlush;
        int result = Control(folder, Ext4Shutdown, ref flags);
        int errno = Marshal.GetLastPInvokeError();
        _ = Close(folder);
        Assert.True(result == 0, $"EXT4_IOC_SHUTDOWN: error {errno}");
    }

    /// <summary>The power comes back: the file system replays its log. Nobody may have files open.</summary>
    public void Restore()
    {
        Tool.Until(() => Tool.Run("umount", [Folder]).ExitCode == 0, 20, () => $"{Folder} is still in use");
        Mount();
    }

    public void Dispose()
    {
        Tool.Run("umount", ["-l", Folder]);
        Tool.Run("losetup", ["-d", _device]);
        File.Delete(_image);
        Directory.Delete(Folder, recursive: true);
    }

    // The kernel writes nothing by itself for five minutes: what survives was synced.
    private void Mount() => Tool.Run("mount", ["-t", "ext4", "-o", "commit=300", _device, Folder]).Ok();

    private static string WhyNot()
    {
        if (Environment.UserName != "root")
        {
            return "needs root, to mount a file system";
        }
        try
        {
            using var disk = new LoopDisk(8);
            disk.CutPower();
            disk.Restore();
            return "";
        }
        catch (Exception e)
        {
            // A container's root may not, programs may be missing: each is a reason, and none is this test's business.
            return $"needs loop devices and ext4: {e.Message}";
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "close")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Close(int file);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Control(int file, ulong request, ref uint argument);
}

/// <summary>A test that cuts the power of a disk; skipped with its reason where none can be made.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class PowerCutFactAttribute : FactAttribute
{
    public PowerCutFactAttribute()
    {
        if (LoopDisk.Missing.Length > 0)
        {
            Skip = LoopDisk.Missing;
        }
    }
}
