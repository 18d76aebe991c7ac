namespace FastRelay.Storm;

/// <summary>Runs seeds, each twice, and compares the traces; several at the same time, each on one thread.</summary>
internal static class StormRunner
{
    /// <summary>Runs storms of the journal alone, or of the whole relay.</summary>
    /// <param name="journal">The journal alone.</param>
    /// <param name="seeds">Which.</param>
    /// <param name="faults">Gets what occurred.</param>
    /// <param name="broken">Told a seed and what is wrong with it, as soon as it is found.</param>
    /// <param name="threads">Seeds at the same time.</param>
    /// <returns>Broken seeds.</returns>
    public static int Run(bool journal, IEnumerable<ulong> seeds, SimFaults faults, Action<string> broken, int threads = 2)
    {
        int count = 0;
        using IEnumerator<ulong> next = seeds.GetEnumerator();
        void Work()
        {
            while (true)
            {
                ulong seed;
                lock (next)
                {
                    if (!next.MoveNext())
                    {
                        return;
                    }
                    seed = next.Current;
                }
                string? problem = RunTwice(journal, seed, out SimFaults met);
                lock (next)
                {
                    faults.Add(met);
                    if (problem is not null)
                    {
                        count++;
                        broken($"seed {seed}: {problem}");
                    }
                }
            }
        }
        Thread[] workers = [.. Enumerable.Range(0, threads).Select(_ => new Thread(Work))];
        foreach (Thread worker in workers)
        {
            worker.Start();
        }
        foreach (Thread worker in workers)
        {
            worker.Join();
        }
        return count;
    }

    private static string? RunTwice(bool journal, ulong seed, out SimFaults faults)
    {
        string? problem = RunOnce(journal, seed, out SimUniverse first);
        faults = first.Faults;
        if (problem is not null)
        {
            first.WriteTrace();
            return problem;
        }
        problem = RunOnce(journal, seed, out SimUniverse second);
        return problem ?? (first.Trace.Hash == second.Trace.Hash ? null : $"two traces: {first}; {second}");
    }

    private static string? RunOnce(bool journal, ulong seed, out SimUniverse universe)
    {
        if (journal)
        {
            var storm = new JournalStorm(seed);
            universe = storm.Universe;
            return Problem(storm.Run);
        }
        var relay = new RelayStorm(seed);
        universe = relay.Universe;
        return Problem(relay.Run);
    }

    /// <summary>What a run throws, in words; null when it ends well.</summary>
    public static string? Problem(Action run)
    {
        try
        {
            run();
            return null;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            Exception root = e.InnerException is StormException or null ? e : e.InnerException;
            return e is not StormException ? e.ToString() : root == e ? e.Message : $"{e.Message}\n{root}";
        }
    }
}
