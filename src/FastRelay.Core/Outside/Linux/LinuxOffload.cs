namespace FastRelay.Outside.Linux;

/// <summary>A few threads for CPU-heavy jobs, so that they neither stall a loop nor take the runtime's pool.</summary>
public sealed class LinuxOffload : Offload, IDisposable
{
    private readonly Loop _loop;
    private readonly Thread[] _threads;
    private readonly Queue<OffloadJob> _jobs = new(64);
    private bool _stopping;

    /// <summary>Starts the threads; jobs complete on <paramref name="loop"/>.</summary>
    /// <param name="loop">Where jobs come from and complete.</param>
    /// <param name="threads">How many, 1 or more.</param>
    public LinuxOffload(Loop loop, int threads)
    {
        Check.That(threads > 0);
        _loop = loop;
        _threads = new Thread[threads];
        for (int i = 0; i < threads; i++)
        {
            _threads[i] = new Thread(Work) { IsBackground = true, Name = "offload" };
            _threads[i].Start();
        }
    }

    /// <inheritdoc/>
    public override void Submit(OffloadJob job)
    {
        _loop.CheckThread();
        lock (_jobs)
        {
            Check.That(!_stopping, "an offload job after the end");
            _jobs.Enqueue(job);
            Monitor.Pulse(_jobs);
        }
    }

    /// <summary>Finishes what is queued and ends the threads.</summary>
    public void Dispose()
    {
        lock (_jobs)
        {
            _stopping = true;
            Monitor.PulseAll(_jobs);
        }
        foreach (Thread thread in _threads)
        {
            thread.Join();
        }
    }

    private void Work()
    {
        while (true)
        {
            OffloadJob job;
            lock (_jobs)
            {
                while (_jobs.Count == 0)
                {
                    if (_stopping)
                    {
                        return;
                    }
                    Monitor.Wait(_jobs);
                }
                job = _jobs.Dequeue();
            }
            try
            {
                job.Execute();
            }
            catch (Exception e)
            {
                // Jobs keep what goes wrong as their result.
                Check.Fatal($"an offload job failed: {e}");
            }
            _loop.Post(job);
        }
    }
}
