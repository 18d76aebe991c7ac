using System.Globalization;
using System.Text.RegularExpressions;

namespace FastRelay.Storm;

/// <summary>Runs seeds under a defect until the storm notices it, for the right reason.</summary>
internal static class MutantHunt
{
    /// <summary>Seeds within which a defect must be noticed.</summary>
    public const int Seeds = 200;

    /// <summary>Hunts several at the same time.</summary>
    /// <returns>How many were not caught.</returns>
    public static int Run(IReadOnlyList<Defect> defects, Action<string> report, int threads)
    {
        int missed = 0;
        int next = -1;
        void Work()
        {
            while (Interlocked.Increment(ref next) is var at && at < defects.Count)
            {
                string line = Hunt(defects[at], out bool caught);
                lock (defects)
                {
                    missed += caught ? 0 : 1;
                    report(line);
                }
            }
        }
        Thread[] workers = [.. Enumerable.Range(0, threads).Select(_ => new Thread(Work))];
        Array.ForEach(workers, static worker => worker.Start());
        Array.ForEach(workers, static worker => worker.Join());
        return missed;
    }

    private static string Hunt(Defect defect, out bool caught)
    {
        var expected = new Regex(defect.Expect);
        string other = "";
        for (ulong seed = 1; seed <= Seeds; seed++)
        {
            Switch(defect.Disk is null ? defect.Name : null);
            string? problem = StormRunner.Problem(new RelayStorm(seed, defect.Disk).Run);
            Switch(null);
            if (problem is not null && expected.IsMatch(problem))
            {
                caught = true;
                return string.Create(CultureInfo.InvariantCulture, $"caught {defect.Name} with seed {seed}: {problem.Split('\n')[0]}");
            }
            other = problem is null || other.Length > 0 ? other : $"; noticed, but not so: {problem.Split('\n')[0]}";
        }
        caught = false;
        return $"MISSED {defect.Name} in {Seeds} seeds{other}";
    }

    private static void Switch(string? name)
    {
#if MUTANTS
        Mutant.Set(name);
#else
        _ = name;
#endif
    }
}
