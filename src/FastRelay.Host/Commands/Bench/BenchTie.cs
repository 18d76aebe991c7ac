using System.Globalization;
using System.Runtime.InteropServices;

namespace FastRelay.Host.Commands;

/// <summary>
/// Ties a process of a bench to the bench: whatever ends that one, SIGKILL too, ends this one. It is asked for by the first
/// two words of a command line, which no help shows, as only the process itself can ask the kernel.
/// </summary>
internal static partial class BenchTie
{
    /// <summary>Stands before the bench's process id and the command.</summary>
    public const string Word = "--tied-to";

    private const int PR_SET_PDEATHSIG = 1;
    private const int SIGKILL = 9;

    /// <summary>What is written before a command.</summary>
    public static IEnumerable<string> Words => [Word, Environment.ProcessId.ToString(CultureInfo.InvariantCulture)];

    /// <summary>
    /// Ties this process to its parent: to the thread that started it, which in a bench is the main one and lasts as long.
    /// </summary>
    /// <param name="parent">Process id.</param>
    /// <returns>False when that is not the parent any more: it has ended in between.</returns>
    public static bool Tie(string parent) =>
        Control(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && ParentId().ToString(CultureInfo.InvariantCulture) == parent;

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int Control(int option, nuint second, nuint third, nuint fourth, nuint fifth);

    [LibraryImport("libc", EntryPoint = "getppid")]
    private static partial int ParentId();
}
