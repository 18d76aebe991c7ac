using System.Diagnostics;

namespace FastRelay.EndToEnd.Rig;

/// <summary>Another process holds a lease on a file (fcntl(2)): whoever opens it waits, as for a disk that does not answer, until this is disposed of.</summary>
public sealed class FileLease : IDisposable
{
    private const string Script = """
        import fcntl, os, signal, sys
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        file = os.open(sys.argv[1], os.O_RDWR)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        print("held", flush=True)
        sys.stdin.read()
        """;

    private readonly Process _holder;
    private bool _ended;

    /// <summary>Takes it.</summary>
    public FileLease(string path)
    {
        _holder = Tool.Start("python3", ["-c", Script, path]);
        Assert.Equal("held", _holder.StandardOutput.ReadLine());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_ended)
        {
            return;
        }
        _ended = true;
        _holder.StandardInput.Close();
        _holder.WaitForExit();
        _holder.Dispose();
    }
}
