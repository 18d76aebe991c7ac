using System.Diagnostics;
using System.Globalization;

namespace FastRelay.Storm;

/// <summary>
/// Runs storms without a test runner: <c>FastRelay.Storm relay|journal [FIRST-SEED [HOW-MANY]]</c>. Each seed runs twice and must
/// leave the same trace. Prints what was found, with the seed that repeats it, and how often each fault occurred; with
/// 200 seeds of the relay or more, one that never occurred is a failure. <c>FastRelay.Storm mutants [NAME]</c> hunts the defects
/// that are put into a copy of the source; see <see cref="MutantBuild"/>.
/// </summary>
internal static class Program
{
    public static int Main(string[] args)
    {
        string what = args.Length > 0 ? args[0] : "relay";
        if (what == "mutants")
        {
            return Hunt(args.Length > 1 ? args[1] : "");
        }
        ulong first = args.Length > 1 ? ulong.Parse(args[1], CultureInfo.InvariantCulture) : 1;
        int count = args.Length > 2 ? int.Parse(args[2], CultureInfo.InvariantCulture) : args.Length > 1 ? 1 : StormCoverage.Seeds;
        var faults = new SimFaults();
        var watch = Stopwatch.StartNew();
        IEnumerable<ulong> seeds = Enumerable.Range(0, count).Select(i => first + (ulong)i);
        int broken = StormRunner.Run(what == "journal", seeds, faults, Console.WriteLine);
        Console.Write(faults);
        string[] missing = what == "relay" && count >= StormCoverage.Seeds ? StormCoverage.Missing(faults) : [];
        Array.ForEach(missing, static kind => Console.WriteLine($"never occurred: {kind}"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: {count} seeds, {broken} broken, {watch.Elapsed.TotalSeconds:F1} s"));
        return broken + missing.Length == 0 ? 0 : 1;
    }

    private static int Hunt(string name)
    {
        string root = MutantBuild.Root();
#if MUTANTS
        Defect[] defects = [.. Defect.All(root).Where(d => name.Length == 0 || d.Name == name)];
        return MutantHunt.Run(defects, Console.WriteLine, threads: 2);
#else
        try
        {
            MutantBuild.Run(Console.WriteLine, "dotnet", root, MutantBuild.Make(root, Defect.All(root)), "mutants", name);
            return 0;
        }
        catch (StormException e)
        {
            Console.WriteLine(e.Message);
            return 1;
        }
#endif
    }
}
