using System.Runtime.InteropServices;

namespace FastRelay.Host.Commands;

/// <summary>
/// The cores of one part of a bench. With four or more, source and sink have one each and the subject has the others;
/// with fewer, all share all.
/// </summary>
internal sealed partial class BenchCores
{
    /// <summary>Of a source.</summary>
    public static readonly BenchCores Source = new(1);

    /// <summary>Of a sink.</summary>
    public static readonly BenchCores Sink = new(2);

    /// <summary>Of the server under test.</summary>
    public static readonly BenchCores Subject = new(~3UL);

    private readonly ulong _mask;

    private BenchCores(ulong mask) => _mask = mask;

    /// <summary>
    /// Starts a process on these cores. It is this thread that moves there and back: a child has its parent's cores from
    /// its first instruction, whereas a process that is moved later has threads that stay where they are.
    /// </summary>
    public T Within<T>(Func<T> start)
    {
        ulong before = 0;
        if (Environment.ProcessorCount < 4 || GetAffinity(0, sizeof(ulong), ref before) != 0 || (before & _mask) == 0)
        {
            return start();
        }
        ulong wanted = before & _mask;
        _ = SetAffinity(0, sizeof(ulong), ref wanted);
        try
        {
            return start();
        }
        finally
        {
            _ = SetAffinity(0, sizeof(ulong), ref before);
        }
    }

    // Both fail on a machine with more than 64 cores, where nothing is pinned then.
    [LibraryImport("libc", EntryPoint = "sched_getaffinity")]
    private static partial int GetAffinity(int thread, nint size, ref ulong mask);

    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    private static partial int SetAffinity(int thread, nint size, ref ulong mask);
}
