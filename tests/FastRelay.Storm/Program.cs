using System.Diagnostics;
using System.Globalization;

namespace FastRelay.Storm;

/// <summary>
/// Runs storms without a test runner: <c>FastRelay.Storm [relay|journal] [FIRST-SEED] [HOW-MANY]</c>. Each seed runs twice and
/// must leave the same trace. Prints what was found, with the seed that repeats it, and how often each fault occurred.
/// </summary>
internal static class Program
{
    public static int Main(string[] args)
    {
        bool journal = args.Length > 0 && args[0] == "journal";
        ulong first = args.Length > 1 ? ulong.Parse(args[1], CultureInfo.InvariantCulture) : 1;
        ulong count = args.Length > 2 ? ulong.Parse(args[2], CultureInfo.InvariantCulture) : 1;
        var faults = new SimFaults();
        var watch = Stopwatch.StartNew();
        IEnumerable<ulong> seeds = Enumerable.Range(0, (int)count).Select(i => first + (ulong)i);
        int broken = StormRunner.Run(journal, seeds, faults, Console.WriteLine);
        Console.Write(faults);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{count} seeds, {broken} broken, {watch.Elapsed.TotalSeconds:F1} s"));
        return broken == 0 ? 0 : 1;
    }
}
